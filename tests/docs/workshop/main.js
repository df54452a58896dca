function area(r) {
  return 
}

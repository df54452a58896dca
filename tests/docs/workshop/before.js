function area(r) {
  return 

"""What people and programs see. The only room that knows rich."""

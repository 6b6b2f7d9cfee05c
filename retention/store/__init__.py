"""All SQL of retention, one class a family of tables, one transaction a method."""

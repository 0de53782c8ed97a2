"""What makes data good enough: rules over rows and tables, schema drift, accounting. Pure: no I/O, no clock."""

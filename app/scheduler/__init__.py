"""What runs beside the web server: making the runs of schedules ahead of time, marking late runs, ending expired leases."""

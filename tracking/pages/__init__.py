"""Pages: standalone HTML files, from Jinja templates."""

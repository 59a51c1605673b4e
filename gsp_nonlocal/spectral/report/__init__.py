"""What is written of an analysis: tables, figures, the page and its explorer. Needs matplotlib and jinja2."""

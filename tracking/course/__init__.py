"""The organiser's side: rounds with hidden labels, submissions, standings and grades."""

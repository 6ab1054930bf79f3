"""The report a team hands in: what was recorded, summed up by section, as one page and as Markdown."""

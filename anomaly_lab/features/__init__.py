"""Features: what each user looks like beside reference users of other folds."""

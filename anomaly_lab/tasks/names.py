"""What tasks are called, without importing any of them."""

FAKE_USERS = "fake-users"
RATING_PREDICTION = "rating-prediction"
IMPLICIT_RANKING = "implicit-ranking"

RECOMMENDING = (RATING_PREDICTION, IMPLICIT_RANKING)
"""Tasks that are put to one log of ratings without labels."""

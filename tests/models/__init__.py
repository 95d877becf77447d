"""Small models of the families that recommenders and their neighbours come from, written from their papers."""

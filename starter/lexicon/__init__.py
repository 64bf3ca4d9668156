"""Common English words, written by hand; every text of the corpus is made of them."""

"""Makes the reference pages out of the code: a module per page, each with one function that returns its text."""

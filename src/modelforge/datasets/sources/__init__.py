"""The kinds of files that people have data in, each read into rows in constant memory."""

"""The others, a script each: it reads an order, trains or answers, and prints one line of JSON."""

"""A chat that a backend answers which speaks the Messages API: the request there, answer, stream and errors back."""

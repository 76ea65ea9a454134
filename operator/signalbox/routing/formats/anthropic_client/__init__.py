"""A client of the Messages API that a chat answers: its request as a chat, answer, stream and errors back."""

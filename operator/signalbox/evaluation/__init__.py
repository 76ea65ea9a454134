"""What a policy would have done with recorded queries, and how good, dear and fast that would have been.

Pure: lines and compiled policies in, figures out. Decisions are made by the routers' own code; what a line does not
tell is not guessed, so a query that hangs on it is counted as not evaluable, with the reason.
"""

"""Translation between the chat completions of OpenAI's API and the Messages API of Anthropic. Pure.

Inside the router every conversation is a chat: conditions, strategies and chains know one form. ``anthropic_backend``
lets a chat be answered by a backend that speaks Messages, ``anthropic_client`` lets a client that speaks Messages be
answered by a chat. What one form can say and the other cannot is an ``Untranslatable``, never left out in silence.

Bodies come from clients and from backends: no shape of theirs makes anything here raise something else.
"""

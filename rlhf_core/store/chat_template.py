"""The chat template of a model that only goes on with a text: what was said, one after the other.

So a conversation of one request and one answer is the very text that prompt and answer make, and a
trainer that wants messages reads the same tokens as ours.
"""

CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"

"""What the files of cases call by name, so that each case shows only what is odd about it."""

import gzip

BODY = '{"model":"auto","messages":[],"user":"case"}'
SMUGGLED_BODY = BODY.replace("case", "smuggled")
LINE = "POST /v1/chat/completions HTTP/1.1\r\n"
HOST = "host: router\r\n"
SMUGGLED = f"{LINE}{HOST}content-length: {len(SMUGGLED_BODY)}\r\n\r\n{SMUGGLED_BODY}"
# 10 MB of zeros in 10 KB.
BOMB = gzip.compress(bytes(10_000_000), mtime=0)
# An answer of so many bytes is more than the sockets between engine and client hold.
LARGE = 30_000_000
LARGE_BODY = f'{{"model":"auto","messages":[],"user":"case","max_tokens":{LARGE}}}'

REQUESTS = {
    "LINE": LINE,
    "HOST": HOST,
    "POST": LINE + HOST,
    "BODY": BODY,
    "LENGTH": str(len(BODY)),
    "SIZED": f"content-length: {len(BODY)}\r\n",
    "CHUNKED": "transfer-encoding: chunked\r\n",
    "SIZE": f"{len(BODY):x}",
    "CHUNKS": f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n",
    "BOMB": BOMB.decode("latin-1"),
    "BOMB_LENGTH": str(len(BOMB)),
    "LARGE": f"{LINE}{HOST}content-length: {len(LARGE_BODY)}\r\n\r\n{LARGE_BODY}",
    "SMUGGLED": SMUGGLED,
    "SMUGGLED_SIZE": f"{len(SMUGGLED):x}",
    "SMUGGLED_LENGTH": str(len(SMUGGLED)),
}


def _chunk(text: str) -> str:
    return f"{len(text):x}\r\n{text}\r\n"


ANSWER = (
    '{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant",'
    '"content":"first to case"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
)
OTHER_ANSWER = ANSWER.replace("case", "smuggled")
EVENT = (
    'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":'
    '{"content":"first to case"},"finish_reason":null}]}\n\n'
)
OK = "HTTP/1.1 200 OK\r\n"
JSON = "content-type: application/json\r\n"
CHUNKED = "transfer-encoding: chunked\r\n"
STREAM = f"{OK}content-type: text/event-stream\r\n{CHUNKED}\r\n"


def _event(kind: str, fields: str) -> str:
    return f'event: {kind}\ndata: {{"type":"{kind}"{fields}}}\n\n'


# What an engine says in Anthropic's API: begin, open a block, say something, close it, end.
MESSAGE = (
    '{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"first to case"}],'
    '"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}'
)
_EMPTY = MESSAGE.replace('{"type":"text","text":"first to case"}', "").replace('"end_turn"', "null")
EVENTS = {
    "BEGIN": _event("message_start", f',"message":{_EMPTY}'),
    "OPEN": _event("content_block_start", ',"index":0,"content_block":{"type":"text","text":""}'),
    "SAY": _event("content_block_delta", ',"index":0,"delta":{"type":"text_delta","text":"first to case"}'),
    "CLOSE": _event("content_block_stop", ',"index":0'),
    "WHY": _event("message_delta", ',"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}'),
    "STOP": _event("message_stop", ""),
    "PING": _event("ping", ""),
    "OVERLOADED": _event("error", ',"error":{"type":"overloaded_error","message":"Overloaded"}'),
}
# An answer in both APIs, but for its end, and what makes it larger than what is looked at as a whole.
EITHER = f"{ANSWER[:-1]},{MESSAGE[1:-1].replace(chr(34) + 'id' + chr(34), chr(34) + 'other' + chr(34))}".replace(
    ',"usage":{"input_tokens":1,"output_tokens":1}', ""
)
PADDING = 2_000_000

ENGINES = {
    "OK": OK,
    "POST": OK + JSON,
    "EVENTS": f"{OK}content-type: text/event-stream\r\nconnection: close\r\n\r\n",
    "MESSAGE": MESSAGE,
    **EVENTS,
    "SAID": EVENTS["BEGIN"] + EVENTS["OPEN"] + EVENTS["SAY"],
    "FINISH": EVENTS["CLOSE"] + EVENTS["WHY"] + EVENTS["STOP"],
    "EITHER": EITHER + ',"padding":"',
    "EITHER_CHUNK": _chunk(EITHER + ',"padding":"'),
    "EITHER_LENGTH": str(len(EITHER) + len(',"padding":""}') + PADDING),
    "MANY_KEYS": ",".join(f'"key{number}":1' for number in range(20_000)),
    "JSON": JSON,
    "HEAD": OK + JSON,
    "ANSWER": ANSWER,
    "LENGTH": str(len(ANSWER)),
    "SIZE": f"{len(ANSWER):x}",
    "SIZED": f"content-length: {len(ANSWER)}\r\n",
    "CHUNKED": CHUNKED,
    "CHUNKS": _chunk(ANSWER) + "0\r\n\r\n",
    "WHOLE": f"{OK}{JSON}content-length: {len(ANSWER)}\r\n\r\n{ANSWER}",
    "SMUGGLED": f"{OK}{JSON}content-length: {len(OTHER_ANSWER)}\r\n\r\n{OTHER_ANSWER}",
    "STREAM": STREAM,
    "EVENT": EVENT,
    "EVENT_CHUNK": _chunk(EVENT),
    "BEGUN": STREAM + _chunk(EVENT),
    "END": _chunk("data: [DONE]\n\n") + "0\r\n\r\n",
    "BOMB": gzip.compress(bytes(100_000_000), mtime=0).decode("latin-1"),
    "HALF": ANSWER[:60],
    "REST": ANSWER[60:],
}

"""Which path speaks which format."""

from signalbox.sim.chat import ChatFormat
from signalbox.sim.completions import CompletionsFormat
from signalbox.sim.embeddings import EmbeddingsFormat
from signalbox.sim.format import Format
from signalbox.sim.messages import MessagesFormat
from signalbox.sim.responses import ResponsesFormat

PATHS: dict[str, tuple[str, type[Format]]] = {
    "/v1/chat/completions": ("chat", ChatFormat),
    "/v1/completions": ("completions", CompletionsFormat),
    "/v1/embeddings": ("embeddings", EmbeddingsFormat),
    "/v1/messages": ("messages", MessagesFormat),
    "/v1/responses": ("responses", ResponsesFormat),
}

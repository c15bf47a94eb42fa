"""Texts of documents: each read once, and what is known of it kept, within bounds of number and size."""

from __future__ import annotations

import hashlib

import graphql

from infra import tracing
from planner.documents import Bounded, Document
from planner.errors import BadRequest, InvalidDocument, PersistedQueryNotFound, unraised
from planner.limits import Most

MOST_DOCUMENTS, MOST_REFUSED, MOST_PERSISTED = 500, 500, 1000
LONGEST_KEPT = 100_000  # characters of a text; a longer one is read anew each time
BYTES_A_TOKEN = 500  # of a document: measured 460
HEAVIEST_DOCUMENTS, HEAVIEST_REFUSED, HEAVIEST_PERSISTED = 64_000_000, 4_000_000, 10_000_000  # bytes, about


class Texts:
    """The documents of texts, and the texts that clients name by their hash."""

    def __init__(self, schema: graphql.GraphQLSchema, most: Most, *, introspection: bool) -> None:
        """`most`: what one operation may ask for. `introspection`: whether clients may learn the schema here."""
        self.schema, self.most, self.introspection = schema, most, introspection
        self.documents: Bounded[str, Document] = Bounded(MOST_DOCUMENTS, HEAVIEST_DOCUMENTS)
        self.refused: Bounded[str, InvalidDocument] = Bounded(MOST_REFUSED, HEAVIEST_REFUSED)
        self.persisted: Bounded[str, str] = Bounded(MOST_PERSISTED, HEAVIEST_PERSISTED)

    def document(self, text: str) -> Document:
        """The document of a text. Raises InvalidDocument."""
        return self.documents.get(text) or self.read(text)

    def knows(self, text: str | None, sha256: str | None) -> bool:
        """Whether a text, or that of a hash, need not be read."""
        if text is None:
            text = self.persisted.kept.get(sha256 or "")
        return text is None or text in self.documents.kept or text in self.refused.kept

    def read(self, text: str) -> Document:
        """The document of a text that isn't known as valid. Raises InvalidDocument."""
        if (known := self.refused.get(text)) is not None:
            raise unraised(known)
        try:
            with tracing.span("parse"):
                document = Document(self.schema, text, self.most, introspection=self.introspection)
        except InvalidDocument as refusal:
            if len(text) <= LONGEST_KEPT:
                said = sum(len(entry["message"]) for entry in refusal.entries)
                self.refused.put(text, unraised(refusal), len(text) + said)
            raise
        if len(text) <= LONGEST_KEPT:
            self.documents.put(text, document, len(text) + BYTES_A_TOKEN * document.tokens)
        return document

    def by_hash(self, sha256: str, text: str | None) -> str:
        """The text of a hash; one that is given is remembered, if it's valid.

        Raises PersistedQueryNotFound when no text is given or known, BadRequest when it isn't that of the hash.
        """
        known = self.persisted.get(sha256)
        if text is None:
            if known is None:
                raise PersistedQueryNotFound
            return known
        if text != known:
            if hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest() != sha256:
                raise BadRequest("provided sha does not match query")
            try:
                self.document(text)
            except InvalidDocument:
                return text  # whoever runs it is told
            if len(text) <= LONGEST_KEPT:
                self.persisted.put(sha256, text, len(text))
        return text

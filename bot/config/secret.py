"""Secrets by reference: a file or an environment variable, never the value in the clear."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.errors import Permanent

MAX_SECRET = 64 * 1024


class Secret(BaseModel):
    """Where a secret value is found. Files are read at each use, so that rotation needs no
    restart. The value is in no repr, no error and no log."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Annotated[Path | None, Field(description="Path of a file that holds the value.")] = None
    env: Annotated[
        str | None, Field(description="Name of an environment variable that holds the value.")
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _by_reference(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(
                "a secret never stands in the configuration itself; "
                "write {file: /path/to/it} or {env: NAME_OF_VARIABLE}"
            )
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Secret:
        if (self.file is None) == (self.env is None):
            raise ValueError("give exactly one of `file` and `env`")
        return self

    @property
    def where(self) -> str:
        return f"file {self.file}" if self.file else f"environment variable {self.env}"

    def reveal(self) -> str:
        """The value, without white space at its ends. `Permanent` when there is none."""
        try:
            value = self._read().strip()
            value.encode()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Permanent(f"{self.where} cannot be read: {reason}") from error
        except ValueError:  # a name with a NUL, or bytes that are not UTF-8; no value in a chain
            raise Permanent(f"{self.where} cannot be read: it is not text") from None
        if not value:
            raise Permanent(f"{self.where} is empty or not set")
        return value

    def _read(self) -> str:
        if self.file is None:
            return os.environ.get(self.env or "", "")
        with self.file.open(encoding="utf-8") as stream:
            return stream.read(MAX_SECRET)

"""The story from sign-in to answer: ten steps on a running sandbox, each checked from the other side."""

from sandbox.story.play import play

__all__ = ["play"]

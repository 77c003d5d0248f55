import inspect
import multiprocessing
from multiprocessing import queues

import pytest

from mpdiag.probe.patch import Patches, genuine


class Owner:
    """Is patched."""

    def method(self, value, *, flag=False):
        """Document."""
        return value, flag

    @classmethod
    def made(cls, value):
        return cls, value

    @staticmethod
    def plain(value):
        return value


class Heir(Owner):
    pass


def passing(original):
    def wrapper(*args, **kwargs):
        return original(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize("name", ["method", "made", "plain"])
def test_a_patch_keeps_the_names_the_kind_and_the_signature(name):
    patches = Patches()
    before, raw, signature = getattr(Owner, name), vars(Owner)[name], inspect.signature(getattr(Owner, name))
    patches.replace(Owner, name, passing)
    after = getattr(Owner, name)
    assert type(vars(Owner)[name]) is type(raw)
    assert (after.__qualname__, after.__module__, after.__name__) == (before.__qualname__, __name__, name)
    assert after.__doc__ == before.__doc__
    assert inspect.signature(after) == signature
    assert Heir().method(1, flag=True) == (1, True)
    assert Heir.made(2) == (Heir, 2)
    assert Heir.plain(3) == 3
    patches.undo()
    assert vars(Owner)[name] is raw


def test_undo_puts_back_on_the_object_that_was_patched():
    class Other:
        def method(self):
            return "other"

    patches = Patches()
    raw = vars(Other)["method"]
    patches.replace(Other, "method", passing)
    patches.replace(Other, "method", passing)
    owner, Other = Other, Owner  # type: ignore[misc, assignment]  # noqa: N806 - its name means another class now
    patches.undo()
    assert vars(owner)["method"] is raw


def test_what_a_version_does_not_have_is_an_error():
    with pytest.raises(AttributeError, match=r"Heir\.method does not exist"):
        Patches().replace(Heir, "method", passing)


def test_what_somebody_put_in_place_of_a_function_is_not_genuine():
    assert genuine(queues.SimpleQueue.get, queues)
    assert genuine(multiprocessing.SimpleQueue().get, queues)
    assert not genuine(passing(queues.SimpleQueue.get), queues)
    assert not genuine(len, queues)

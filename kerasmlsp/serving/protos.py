"""Messages of Protocol Buffers without generated code: `tensorflow-serving-api` is not needed to read its files."""

from collections.abc import Mapping
from typing import Any

_TYPES = {"string": "STRING", "bytes": "BYTES", "int64": "INT64", "uint32": "UINT32", "bool": "BOOL"}


def message_classes(messages: Mapping[str, Mapping[str, tuple[int, str]]]) -> dict[str, Any]:
    """Returns a class for each message.

    Args:
        messages: By name of the message: number and type of each field by its name. A type is `"string"`, `"bytes"`,
            `"int64"`, `"uint32"`, `"bool"` or the name of a message, after `"repeated "` for several. A map is a
            repeated message of `key` and `value`.

    Example:
        >>> Pair = message_classes({"Pair": {"key": (1, "string"), "value": (2, "int64")}})["Pair"]
        >>> Pair.FromString(Pair(key="stable", value=3).SerializeToString()).value
        3
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="serving.proto", package="serving", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in messages.items():
        described = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            repeated = kind.startswith("repeated ")
            kind = kind.removeprefix("repeated ")
            field = described.field.add(name=name, number=number)
            field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if kind in _TYPES:
                field.type = kinds.Type.Value(f"TYPE_{_TYPES[kind]}")
            else:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".serving.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"serving.{name}")) for name in messages}

"""In kernels: memory that no array owns, and C functions, both by address. Nothing here checks an address."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped] # ships no types
from numba.core import types as numba_types
from numba.extending import intrinsic
from numpy.typing import NDArray

from consumer.kernels import hot_kernel

_intrinsic: Any = intrinsic  # its type says nothing of what it returns
types: Any = numba_types  # nor are these typed
_I8, _I32, _I64 = (ir.IntType(bits) for bits in (8, 32, 64))


def _loader(of: Any, as_type: Any) -> Any:
    def load(_typing: Any, address: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.load(builder.inttoptr(arguments[0], of.as_pointer()))

        return as_type(types.int64), generate

    return _intrinsic(load)


_load_uint8 = _loader(_I8, types.uint8)
_load_int32 = _loader(_I32, types.int32)
_load_int64 = _loader(_I64, types.int64)


@_intrinsic  # type: ignore[untyped-decorator] # see above
def _copy(_typing: Any, to: Any, address: Any, n_bytes: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointer = _I8.as_pointer()
        function = builder.module.declare_intrinsic("llvm.memcpy", [pointer, pointer, _I64])
        places = [builder.inttoptr(place, pointer) for place in arguments[:2]]
        builder.call(function, [*places, arguments[2], ir.IntType(1)(0)])
        return _context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@_intrinsic  # type: ignore[untyped-decorator] # see above
def _call(_typing: Any, function: Any, arguments: Any) -> Any:
    n_arguments = len(arguments)

    def generate(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        function_type = ir.FunctionType(_I64, [_I64] * n_arguments)
        pointer = builder.inttoptr(given[0], function_type.as_pointer())
        return builder.call(pointer, [builder.extract_value(given[1], k) for k in range(n_arguments)])

    return types.int64(types.int64, types.UniTuple(types.int64, n_arguments)), generate


@hot_kernel
def load_uint8(address: int) -> int:
    return int(_load_uint8(address))


@hot_kernel
def load_int32(address: int) -> int:
    return int(_load_int32(address))


@hot_kernel
def load_int64(address: int) -> int:
    return int(_load_int64(address))


@hot_kernel
def copy_bytes(into: NDArray[Any], start: int, address: int, n_bytes: int) -> None:
    """into[start : start + n_bytes] of a one-dimensional array of bytes becomes what lies at the address."""
    _copy(into.ctypes.data + start, address, n_bytes)


@hot_kernel
def call_c(function: int, arguments: tuple[int, ...]) -> int:
    """Call a C function of integers and pointers; of a narrower or no result only the bits it has mean something."""
    return int(_call(function, arguments))

"""The messages and stubs of `cortex.v1`, made from the .proto files when this is imported."""

import importlib
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parents[2] / "crates/cortex-proto/proto"


def compile_protocol() -> SimpleNamespace:
    """Makes Python code of the .proto files; the answer has messages, enums and stubs by name."""
    files = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    with tempfile.TemporaryDirectory(prefix="cortex-proto-") as out:
        outputs = [f"--python_out={out}", f"--grpc_python_out={out}"]
        if protoc.main(["protoc", f"-I{PROTOS}", *outputs, *files]):
            raise SystemExit(f"the .proto files in {PROTOS} do not compile")
        sys.path.insert(0, out)
        stems = [file.removesuffix(".proto").replace("/", ".") for file in files]
        names = [f"{stem}_{kind}" for stem in stems for kind in ("pb2", "pb2_grpc")]
        modules = [importlib.import_module(name) for name in names]
        sys.path.remove(out)
    items = {name: item for module in modules for name, item in vars(module).items()}
    return SimpleNamespace(**items)


PB = compile_protocol()

"""Verifies an audit log by what its format's description says (gateway/journal/src/record.rs, tree/mod.rs, seal/mod.rs), and
shares nothing with the gateway. `verify.py DIR` prints what does not hold; exit codes are 0 it holds, 1 it does not."""

import base64, hashlib, json, pathlib, re, struct, sys  # noqa: E401

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)
sha = lambda data: hashlib.sha256(data).digest()  # noqa: E731
ABSENT = sha(b"\0\0")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def records(path, bad):
    """Index, epoch and leaf data of each record, as far as the segment is sound."""
    data, last, at = path.read_bytes(), -1, 64
    head = struct.unpack("<8s4I3Qq2I", data[:64]) if len(data) >= 64 else (b"",) * 11
    if data and (head[0] != b"yumenlog" or head[1] != 1 or crc32c(data[:60]) != head[10] or path.stem != f"{head[5]:010}-{head[3]:02}"):
        bad.append(f"{path.name}: its header is not that of this file")
    while at < len(data):
        length, crc, index, kind = struct.unpack_from("<IIQB", data[at:] + bytes(17))
        body = data[at + 8 : at + 8 + length]
        if not 11 <= length <= 65543 or len(body) < length or crc32c(body) != crc or index <= last or not 1 <= kind <= 5:
            return bad.append(f"{path.name}: no record at byte {at}, after entry {last}")
        yield index, head[2], body[8:]
        last, at = index, at + 8 + length


def unbase64(text):
    """Only what an encoder writes: Python's decoder does not look at the bits that the last letter has too many."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not the base64 of anything")
    return data


def read_keys(path, bad):
    keys, lines = {}, path.read_text().split("\n") if path.exists() else [""]
    if lines.pop():
        bad.append(f"{path.name}: it does not end with a key")
    for line in lines:
        name, id, key = line.split("+", 2)
        if sha(f"{name}\n".encode() + unbase64(key))[:4].hex() != id:
            bad.append(f"{path.name}: a key is not the one that its id says")
        keys[name, bytes.fromhex(id)] = unbase64(key)
    return keys


def checkpoints(path, keys, bad):
    """Size and root of each note, all of whose signatures are good."""
    blocks = (path.read_text() + "\n" * path.name.endswith("point")).split("\n\n") if path.exists() else [""]
    if blocks.pop() or len(blocks) % 2:
        bad.append(f"{path.name}: it does not end with a checkpoint")
    for text, lines in zip(blocks[::2], blocks[1::2]):
        text, kinds = text + "\n", []
        origin, size, root, _ = text.split("\n")
        for line in lines.split("\n"):
            dash, name, signature = line.split(" ")
            signature = unbase64(signature)
            key, rest, signed = keys[name, signature[:4]], signature[4:], text
            if key[0] == 4:
                signed, rest = f"cosignature/v1\ntime {int.from_bytes(rest[:8], 'big')}\n{text}", rest[8:]
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(rest, signed.encode())
            kinds += [name] * (key[0] == 1 and dash == "—")
        if origin not in kinds or text != f"{origin}\n{int(size)}\n{root}\n":
            bad.append(f"{path.name}: a checkpoint is not signed by a key of this log")
        yield int(size), unbase64(root)


def tile(tree, level, number, width):
    """The path of a tile."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    return tree / "tile" / str(level) / ("/".join(groups) + (f".p/{width}" if width < 256 else ""))


def body_holds(dir, body):
    """Follows a kept body from its last part to its first."""
    name, at, digest = body["file"], body["offset"], body["sha256"]
    while True:
        data = (dir / name).read_bytes()
        part = data[at : at + 4 + int.from_bytes(data[at : at + 4], "little")]
        if sha(part).hex() != digest:
            return False
        before, at, digest = *struct.unpack_from("<QQ", part, 32), part[48:80].hex()
        if before == 2**64 - 1:
            return True
        name = f"{before:010}-{name.split('-')[1]}"


def verify(dir):
    bad, entries, epochs, opened, lost, below, bodies_gone = [], {}, {}, {}, set(), 0, False
    for path in sorted(dir.glob("*.seg")):
        for index, epoch, data in records(path, bad):
            if index in entries:
                bad.append(f"{path.name}: entry {index} is there twice")
            entries[index], epochs[index] = data, epoch
    said = {index: json.loads(data[1:]) for index, data in entries.items()}
    for index, fields in sorted(said.items()):
        match entries[index][0]:
            case 1: opened[index] = epochs[index]
            case 2 if opened.pop(fields["opening"], None) is None: bad.append(f"entry {index} closes one that is not open")
            case 5: lost.update(range(fields["from"], fields["from"] + fields["count"]))
            case 4: below, bodies_gone = max(below, fields.get("below", 0)), bodies_gone or fields["what"] == "payload_retired"
    bad += [f"entry {index} has no outcome" for index, epoch in opened.items() if epoch < max(epochs.values()) and index >= below]
    for index, fields in said.items():
        for body in (fields.get("request_body"), fields.get("reply_body")):
            if body and "file" in body and not ((dir / body["file"]).exists() or bodies_gone):
                bad.append(f"entry {index}: its body is gone")
            elif body and "file" in body and (dir / body["file"]).exists() and not body_holds(dir, body):
                bad.append(f"entry {index}: its body was altered")

    tree = dir / "tree"
    keys = read_keys(tree / "key.pub", bad) | read_keys(tree / "witnesses.pub", bad)
    roots = list(checkpoints(tree / "checkpoints", keys, bad))
    covered = roots[-1][0] if roots else bad.append("nothing is signed") or 0
    if sorted(dict(roots)) != [size for size, _ in roots]:
        bad.append("checkpoints do not grow")
    for name in ("checkpoint", "cosigned"):
        bad += [f"{name}: {size} is not listed" for size, root in checkpoints(tree / name, keys, bad) if (size, root) not in roots]

    rows, peaks, roots = [[] for _ in range(9)], [], dict(roots)
    for index in range(max([covered, *(i + 1 for i in entries)])):
        stored = next((p for w in (256, *range(255, index % 256, -1)) if (p := tile(tree, 0, index // 256, w)).exists()), None)
        known = stored.read_bytes()[index % 256 * 32 :][:32] if stored and index < covered else None
        leaf = sha(b"\0" + entries[index]) if index in entries else known or ABSENT
        if index not in entries and index >= below and (leaf != ABSENT or index not in lost):
            bad.append(f"entry {index} is gone")
        if index >= covered:
            continue
        if index in entries and known != leaf:
            bad.append(f"entry {index} is not what its tile says")
        if known is None and index < below:  # Retention may take such tiles; the one above then has their roots.
            rows[0].append(leaf)
            if index % 256 < 255:
                continue
            above = next(p for w in range(256, index // 256 % 256, -1) if (p := tile(tree, 1, index // 65536, w)).exists())
            height, leaf = 8, above.read_bytes()[index // 256 % 256 * 32 :][:32]
            rows[1].append(leaf)
        else:
            rows[0].append(leaf)
            height = 0
        while peaks and peaks[-1][0] == height:
            height, leaf = height + 1, sha(b"\1" + peaks.pop()[1] + leaf)
            if height % 8 == 0:
                rows[height // 8].append(leaf)
        peaks.append((height, leaf))
        if index + 1 in roots:
            root = peaks[-1][1]
            for _, left in peaks[-2::-1]:
                root = sha(b"\1" + left + root)
            if root != roots[index + 1]:
                bad.append(f"the root signed for {index + 1} entries is not theirs")
    for level, row in enumerate(rows):
        for number in range((len(row) + 255) // 256):
            hashes = row[number * 256 : number * 256 + 256]
            paths = {width: tile(tree, level, number, width) for width in range(1, len(hashes) + 1)}
            if not paths[len(hashes)].exists() and not tile(tree, level, number, 256).exists() and (level or number * 256 + 256 > below):
                bad.append(f"{paths[len(hashes)]}: gone")
            bad += [f"{path}: altered" for width, path in paths.items() if path.exists() and path.read_bytes() != b"".join(hashes[:width])]
    return bad


if __name__ == "__main__":
    try:
        found = verify(pathlib.Path(sys.argv[1]))
    except (ValueError, KeyError, StopIteration, InvalidSignature, struct.error) as error:
        found = [f"of no known form, or signed by nobody we know: {error!r}"]
    print("\n".join(found) or "the log holds")
    sys.exit(bool(found))

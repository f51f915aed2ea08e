# walk.py FILE N: walks FILE N times with Python's json, making the same dotted
# names and values as the others. Prints how many numbers there are, their sum,
# and the nanoseconds of each walk.
import json
import sys
import time


def walk(v, path, leaves):
    if isinstance(v, dict):
        for k, e in v.items():
            walk(e, path + "." + k if path else k, leaves)
    elif isinstance(v, list):
        for i, e in enumerate(v):
            walk(e, path + "." + str(i) if path else str(i), leaves)
    elif isinstance(v, (int, float)) and not isinstance(v, bool):
        leaves.append((path, float(v)))


text = open(sys.argv[1], "rb").read()
for _ in range(int(sys.argv[2])):
    begin = time.monotonic_ns()
    leaves = []
    walk(json.loads(text), "", leaves)
    took = time.monotonic_ns() - begin
    print(len(leaves), repr(sum(v for _, v in leaves)), took)

# Makes a C header of the page's style sheet, with the hash by which the page's security policy lets it in.
#
#   embed_style.py STYLE.css HEADER.h
import base64
import hashlib
import json
import sys

lines = open(sys.argv[1], encoding="ascii").read().splitlines()
style = "\n" + "\n".join(lines) + "\n"
digest = base64.b64encode(hashlib.sha256(style.encode("ascii")).digest()).decode("ascii")
with open(sys.argv[2], "w", encoding="ascii") as header:
    header.write("#define STYLE_HASH \"sha256-%s\"\n" % digest)
    header.write("#define STYLE_SHEET \\\n    \"\\n\"")
    for line in lines:
        header.write(" \\\n    %s" % json.dumps(line + "\n"))
    header.write("\n")

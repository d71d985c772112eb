#!/usr/bin/env python3
"""Prints what `llvm-cov export -summary-only` wrote, a line for each module of analyzer/ and pyabi/, least reached first."""
import collections
import json
import os
import sys


def main():
    with open(sys.argv[1], encoding='utf-8') as file:
        files = json.load(file)['data'][0]['files']
    rows = collections.defaultdict(list)
    for entry in files:
        directory, name = os.path.split(entry['filename'])
        if os.path.basename(directory) in ('analyzer', 'pyabi') and name.endswith('.c'):
            summary = entry['summary']
            rows[os.path.basename(directory)].append(
                (os.path.join(os.path.basename(directory), name),
                 *(summary[kind][what] for kind in ('lines', 'regions') for what in ('covered', 'count'))))
    print('%-34s %13s %6s %15s %6s' % ('module', 'lines', '%', 'regions', '%'))
    for directory in sorted(rows):
        listed = sorted(rows[directory], key=lambda row: (row[1] / max(row[2], 1), row[0]))
        listed.append(('all of %s/' % directory, *(sum(row[i] for row in listed) for i in range(1, 5))))
        for name, lines, all_lines, regions, all_regions in listed:
            print('%-34s %6d/%6d %6.1f %7d/%7d %6.1f' % (name, lines, all_lines, 100 * lines / max(all_lines, 1),
                                                        regions, all_regions, 100 * regions / max(all_regions, 1)))


if __name__ == '__main__':
    main()

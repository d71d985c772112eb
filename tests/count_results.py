#!/usr/bin/env python3
# Counts single tests after `meson test`, whose own totals count binaries.
#
#   count_results.py [--totals=FILE] BUILD_DIR TESTS_DIR
#
# Each binary is asked which tests it has (--list), and that is compared with what it told in TAP: a test that told nothing
# (the binary crashed, was stopped, or lost its tests in linking) has failed. So has a test_*.c that was not run at all.
# Prints what failed and was skipped, then "N passed, M failed, K skipped"; exit status 1 if anything failed.
import glob
import json
import os
import re
import subprocess
import sys

# A verdict, and the block of words that follows it.
RESULT = re.compile(r'^(ok|not ok)\b[ \d]*- (\S+)(.*)((?:\n  .*)*)', re.M)
WORDS_MAX = 4000
SUITE = re.compile(r'^\S+: (\d+) tests?$', re.M)


def count_listed(command):
    listing = subprocess.run([command, '--list', '--ascii', '--color=never'], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False).stdout.decode()
    return sum(int(number) for number in SUITE.findall(listing))


def read_log(build):
    """What each test binary printed, and how it ended, by the name of the test."""
    runs = {}
    path = os.path.join(build, 'meson-logs', 'testlog.json')
    if os.path.exists(path):
        for line in open(path, encoding='utf-8'):
            run = json.loads(line)
            runs[run['name'].split(' / ')[-1]] = run
    return runs


def count(name, listed, run):
    """Passed, failed and skipped tests of one binary; says what did not pass."""
    passed = failed = skipped = 0
    for verdict, test, rest, words in RESULT.findall(run['stdout'] if run else ''):
        if verdict == 'not ok':
            print('FAILED: %s: %s%s%s' % (name, test, rest, words[:WORDS_MAX]))
            failed += 1
        elif '# SKIP' in rest:
            print('SKIPPED: %s: %s: %s' % (name, test, rest.split('# SKIP', 1)[1].strip()))
            skipped += 1
        else:
            passed += 1
    lost = listed - passed - failed - skipped
    if lost > 0:
        print('FAILED: %s: %d of %d tests told nothing' % (name, lost, listed))
        failed += lost
    elif failed == 0 and (run is None or run['returncode'] != 0 or listed == 0):
        print('FAILED: %s: %s' % (name, 'has no tests' if listed == 0 else 'ended badly after its tests'))
        failed += 1
    return passed, failed, skipped


def main():
    options = [word for word in sys.argv[1:] if word.startswith('--totals=')]
    build, sources = [word for word in sys.argv[1:] if not word.startswith('--')]
    tests = json.loads(subprocess.check_output(['meson', 'introspect', '--tests', build]))
    runs = read_log(build)
    totals = [0, 0, 0]
    for test in tests:
        counts = count(test['name'], count_listed(test['cmd'][0]), runs.get(test['name']))
        totals = [total + number for total, number in zip(totals, counts)]
    known = {test['name'] for test in tests}
    for path in sorted(glob.glob(os.path.join(sources, 'test_*.c'))):
        if os.path.basename(path)[5:-2] not in known:
            print('FAILED: %s is not built' % os.path.basename(path))
            totals[1] += 1
    if options:
        with open(options[-1][len('--totals='):], 'w', encoding='ascii') as out:
            out.write('%d %d %d\n' % tuple(totals))
    print('%d passed, %d failed, %d skipped' % tuple(totals))
    sys.exit(totals[1] != 0)


main()

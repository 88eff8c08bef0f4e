#!/usr/bin/env python3
"""The matcher of the documentation's test finds what is there, and misses what isn't."""

import os
import sys
import unittest

from shell_session import ShellSession, match_shown


class MatchShownTest(unittest.TestCase):
    def test_blanks_placeholders_and_dots(self):
        known = {}
        output = "BUILD       STATUS  STEPS\nx1y2        failed    2/3  5s ago\n"
        self.assertIsNone(match_shown(["BUILD ...", "<build> failed 2/3 ..."], output, known))
        self.assertEqual(known, {"build": "x1y2"})

    def test_dots_at_the_end_may_stand_for_nothing(self):
        self.assertIsNone(match_shown(["count succeeded ..."], "count succeeded\n", {}))
        self.assertEqual(match_shown(["count succeeded ..."], "count succeededly\n", {}),
                         "count succeeded ...")

    def test_a_line_that_is_not_there_is_named(self):
        self.assertEqual(match_shown(["a", "b"], "a\nbb\n", {}), "b")

    def test_a_line_counts_once(self):
        self.assertEqual(match_shown(["a", "a"], "a\nb\n", {}), "a")
        self.assertIsNone(match_shown(["a", "a"], "a\na\n", {}))

    def test_order_does_not_matter(self):
        self.assertIsNone(match_shown(["b", "a"], "a\nb\n", {}))

    def test_a_known_placeholder_is_preferred_and_a_new_one_replaces_it(self):
        known = {"build": "two"}
        self.assertIsNone(match_shown(["<build> ok"], "one ok\ntwo ok\n", known))
        self.assertEqual(known, {"build": "two"})
        self.assertIsNone(match_shown(["<build> ok"], "one ok\n", known))
        self.assertEqual(known, {"build": "one"})

    def test_special_characters_are_literal(self):
        self.assertIsNone(match_shown(['unknown key "x" in [[step]]; "y"?'],
                                      'unknown key "x" in [[step]]; "y"?\n', {}))
        self.assertEqual(match_shown(["a.c"], "abc\n", {}), "a.c")


class ShellSessionTest(unittest.TestCase):
    def setUp(self):
        self.shell = ShellSession([], "/", dict(os.environ))

    def tearDown(self):
        self.shell.close()

    def test_status_and_both_streams(self):
        self.assertEqual(self.shell.run("echo out; echo err >&2; false", 20), ("out\nerr\n", 1))

    def test_folder_and_variables_stay(self):
        self.shell.run("cd /usr && X='a b'", 20)
        self.assertEqual(self.shell.run('pwd; echo "$X"', 20), ("/usr\na b\n", 0))

    def test_output_without_a_newline_at_its_end(self):
        self.assertEqual(self.shell.run("printf abc", 20), ("abc", 0))

    def test_a_command_that_hangs_is_an_error_with_what_it_said(self):
        with self.assertRaisesRegex(AssertionError, "(?s)not ended.*so far"):
            self.shell.run("echo so far; exec 9<>/dev/tcp/none 2>/dev/null; read -t 60 <> <(:)", 1)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])

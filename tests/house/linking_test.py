#!/usr/bin/env python3
"""What the programs look for when they start. rallyctl has its large libraries inside, as linking
them would take longer than most commands; half inside would be worse than none: two Abseils."""

import os
import re
import subprocess
import unittest


def needed(program):
    out = subprocess.run(["readelf", "--dynamic", program], check=True, capture_output=True,
                         text=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", out)


class LinkingTest(unittest.TestCase):

    def test_rallyctl_has_its_large_libraries_inside(self):
        libraries = needed(os.environ["RALLYCTL"])
        self.assertIn("libc.so.6", libraries)
        outside = [name for name in libraries
                   if re.match(r"lib(grpc|gpr|upb|protobuf|absl|re2|archive|curl)", name)]
        self.assertEqual(outside, [])

    def test_an_agent_does_not_start_without_libcurl(self):
        self.assertIn("libcurl.so.4", needed(os.environ["AGENT"]))


if __name__ == "__main__":
    unittest.main()

"""What tests of several kinds take: programs built, a daemon run, a /proc made of files, samples."""

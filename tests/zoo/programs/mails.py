"""mails.py DOMAIN SECONDS: hand in mail for user@h1.DOMAIN, user@h2.DOMAIN, ... on port 25 of 127.0.0.1, for ever."""

import itertools
import smtplib
import sys
import time


def hand_in(to: str) -> None:
    """Hand in one mail. The name for HELO is given, or smtplib would look one up."""
    with smtplib.SMTP("127.0.0.1", 25, local_hostname="localhost", timeout=10) as client:
        client.sendmail("root@localhost", [to], "Subject: zoo\r\n\r\nhello\r\n")


def main(domain: str, seconds: float) -> None:
    """Hand in, and print what came of it; the server may not be there yet, or be restarted."""
    for number in itertools.count(1):
        try:
            hand_in(f"user@h{number}.{domain}")
            print(number, flush=True)
        except (OSError, smtplib.SMTPException) as error:
            print(f"error: {error}", flush=True)
        time.sleep(seconds)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))

"""A mail server for the tests: aiosmtpd, and dkimpy for the signatures of what it takes.

Its one argument is JSON: mode (implicit, starttls, plain), cert, key, user, password, dns (name to TXT record), refuse (a
status for the recipient). It prints a line of JSON with its port, then one for each message. It ends with its standard input.
"""

import asyncio
import base64
import json
import logging
import ssl
import sys
import warnings

import dkim
from aiosmtpd.smtp import SMTP, AuthResult

# About a login without TLS, since it knows only of TLS that it began itself.
warnings.simplefilter("ignore")
# About handshakes that a test lets fail.
logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)
given = json.loads(sys.argv[1])


def say(value):
    print(json.dumps(value), flush=True)


def verified(message):
    """Whether each signature is good, the topmost first."""
    records = {name + ".": text.encode() for name, text in given.get("dns", {}).items()}
    verifier = dkim.DKIM(message, minkey=2048)
    count = sum(1 for name, _ in verifier.headers if name.lower() == b"dkim-signature")

    def good(index):
        try:
            return dkim.DKIM(message, minkey=2048).verify(index, dnsfunc=lambda name, **_: records.get(name.decode()))
        except dkim.DKIMException:
            return False

    return [good(index) for index in range(count)]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if given.get("refuse"):
            return f"{given['refuse']} 5.1.1 <{address}> hidden"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        data = envelope.original_content
        second = {name: name + b": x\r\n" + data for name in (b"From", b"To", b"Subject", b"Reply-To", b"Cc")}
        say(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "data": base64.b64encode(data).decode(),
                "tls": server.transport.get_extra_info("ssl_object") is not None,
                "user": getattr(session.auth_data, "login", b"").decode() if session.auth_data else None,
                "peer": session.peer[1],
                "dkim": verified(data),
                # What must break a signature.
                "tampered": [any(verified(other)) for other in second.values()]
                + [any(verified(data.replace(b"271828", b"000000")))],
            }
        )
        return "250 2.0.0 Ok: queued as 4ZbX7f0"


def authenticated(server, session, envelope, mechanism, data):
    good = (data.login.decode(), data.password.decode()) == (given["user"], given["password"])
    return AuthResult(success=good, handled=False, auth_data=data)


async def main():
    mode = given["mode"]
    tls = None
    if mode != "plain":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(given["cert"], given["key"])
    wants_login = "user" in given

    def protocol():
        return SMTP(
            Handler(),
            hostname="mail.example.com",
            tls_context=tls if mode == "starttls" else None,
            require_starttls=mode == "starttls",
            authenticator=authenticated if wants_login else None,
            auth_required=wants_login,
            auth_require_tls=mode == "starttls",
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls if mode == "implicit" else None)
    say({"port": server.sockets[0].getsockname()[1]})
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())

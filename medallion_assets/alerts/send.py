"""The channels: a webhook with signed JSON, Slack, Teams, e-mail. TLS is verified; nothing is tried twice here."""

import hmac
import json
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from hashlib import sha256

from medallion_assets.alerts.message import Message
from medallion_assets.intent.platform import Channel, Email, Slack, Teams, Webhook

__all__ = ["NotSent", "send"]

_TIMEOUT_S = 10.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class NotSent(Exception):
    """The channel did not take the message; the text says why and holds no secret."""


def send(channel: Channel, message: Message, resolve: Callable[[str], str]) -> None:
    """Raises NotSent; whatever a channel answers beside success counts as that."""
    match channel:
        case Webhook():
            body = json.dumps(message.json(), sort_keys=True, separators=(",", ":")).encode()
            headers = {name: resolve(value) for name, value in channel.headers.items()}
            if channel.secret is not None:
                signature = hmac.new(resolve(channel.secret).encode(), body, sha256).hexdigest()
                headers["X-Medallion-Signature"] = f"sha256={signature}"
            _post(resolve(channel.url), body, headers)
        case Slack():
            _post(resolve(channel.url), json.dumps({"text": f"*{message.title}*\n{message.text}"}).encode(), {})
        case Teams():
            _post(resolve(channel.url), json.dumps(_card(message)).encode(), {})
        case Email():
            _mail(channel, message, resolve)


def _post(url: str, body: bytes, headers: dict[str, str]) -> None:
    import httpx

    try:
        answer = httpx.post(
            url, content=body, headers={"Content-Type": "application/json", **headers}, timeout=_TIMEOUT_S
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotSent(f"the channel cannot be reached ({type(error).__name__})") from None
    if not answer.is_success:
        raise NotSent(f"the channel answered {answer.status_code}")


def _card(message: Message) -> dict[str, object]:
    """An adaptive card, which is what Teams' workflows take."""
    lines = [
        {"type": "TextBlock", "text": message.title, "weight": "Bolder", "wrap": True},
        {"type": "TextBlock", "text": message.text, "wrap": True},
    ]
    content = {"type": "AdaptiveCard", "version": "1.4", "body": lines}
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": content}],
    }


def _mail(channel: Email, message: Message, resolve: Callable[[str], str]) -> None:
    mail = EmailMessage()
    mail["Subject"] = " ".join(message.title.split())
    mail["From"], mail["To"] = channel.sender, ", ".join(channel.to)
    mail.set_content(f"{message.text}\n\n{message.at.isoformat()}  {message.run_id}".rstrip() + "\n")
    host = resolve(channel.host)
    try:
        with smtplib.SMTP(host, channel.port, timeout=_TIMEOUT_S) as server:
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
            elif host not in _LOOPBACK:
                raise NotSent("the mail server offers no TLS")
            if channel.username is not None and channel.password is not None:
                server.login(resolve(channel.username), resolve(channel.password))
            server.send_message(mail)
    except (smtplib.SMTPException, OSError) as error:
        raise NotSent(f"the mail server did not take it ({type(error).__name__})") from None

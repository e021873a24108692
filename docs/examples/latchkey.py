"""Latchkey for a site in Python. Minting needs PyJWT; signing needs nothing."""

import base64, hashlib, hmac, json, os, secrets, sys, time
import urllib.error, urllib.request

import jwt

HOST, NUMBER = "school", 1
SECRET = base64.urlsafe_b64decode(os.environ["HOST_SECRET"] + "==")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def launch_token(user, activity, **more):
    """A launch token, for one rendering of a page."""
    now = int(time.time())
    claims = {"iss": HOST, "sub": user, "activity": activity,
              "jti": b64(secrets.token_bytes(16)), "iat": now, "exp": now + 900, **more}
    headers = {"typ": "latchkey+jwt", "kid": f"{HOST}.{NUMBER}"}
    return jwt.encode(claims, SECRET, algorithm="HS256", headers=headers)


def host_call(method, path, body=b""):
    """A signed request: status and decoded answer."""
    moment, nonce = int(time.time()), secrets.token_hex(16)
    message = f"{method}\n{path}\n{moment}\n{nonce}\n{hashlib.sha256(body).hexdigest()}"
    signature = b64(hmac.new(SECRET, message.encode(), hashlib.sha256).digest())
    request = urllib.request.Request(os.environ["LATCH_URL"] + path, data=body or None, method=method)
    request.add_header("Content-Type", "application/json")
    request.add_header(
        "Authorization",
        f"Latchkey-HMAC host={HOST}, time={moment}, nonce={nonce}, signature={signature}")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


# python latchkey.py mint USER ACTIVITY | python latchkey.py call METHOD PATH [BODY]
if __name__ == "__main__":
    if sys.argv[1] == "mint":
        print(launch_token(sys.argv[2], sys.argv[3], placement={"max": 10}))
    else:
        status, answer = host_call(sys.argv[2], sys.argv[3], "".join(sys.argv[4:]).encode())
        print(status, json.dumps(answer))

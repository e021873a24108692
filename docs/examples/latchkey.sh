#!/bin/sh
# Latchkey from a shell, with openssl and curl.
set -eu
HOST=school NUMBER=1

b64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
# The secret's bytes in hexadecimal, since that is how openssl takes them.
KEY=$(printf '%s===' "$HOST_SECRET" | cut -c "1-$(( (${#HOST_SECRET} + 3) / 4 * 4 ))" | tr -- '-_' '+/' |
  openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
mac() { openssl dgst -sha256 -mac HMAC -macopt "hexkey:$KEY" -binary | b64; }

# A launch token, for one rendering of a page.
launch_token() { # USER ACTIVITY
  now=$(date +%s) jti=$(openssl rand 16 | b64)
  header=$(printf '{"alg":"HS256","typ":"latchkey+jwt","kid":"%s.%s"}' "$HOST" "$NUMBER" | b64)
  claims=$(printf '{"iss":"%s","sub":"%s","activity":"%s","jti":"%s","iat":%d,"exp":%d,"placement":{"max":10}}' \
    "$HOST" "$1" "$2" "$jti" "$now" "$((now + 900))" | b64)
  printf '%s.%s.%s\n' "$header" "$claims" "$(printf '%s.%s' "$header" "$claims" | mac)"
}

# A signed request: status and answer.
host_call() { # METHOD PATH [BODY]
  time=$(date +%s) nonce=$(openssl rand -hex 16)
  digest=$(printf '%s' "${3-}" | openssl dgst -sha256 -r | cut -c 1-64)
  signature=$(printf '%s\n%s\n%s\n%s\n%s' "$1" "$2" "$time" "$nonce" "$digest" | mac)
  answer=$(curl --silent --request "$1" --data-binary "${3-}" --header 'Content-Type: application/json' \
    --header "Authorization: Latchkey-HMAC host=$HOST, time=$time, nonce=$nonce, signature=$signature" \
    --write-out ' %{http_code}' "$LATCH_URL$2")
  printf '%s %s\n' "${answer##* }" "${answer% *}"
}

# sh latchkey.sh mint USER ACTIVITY | sh latchkey.sh call METHOD PATH [BODY]
case $1 in
  mint) launch_token "$2" "$3" ;;
  call) shift; host_call "$@" ;;
esac

<?php
// Latchkey for a site in PHP, with nothing but PHP's own functions.

const HOST = 'school';
const NUMBER = 1;

function b64(string $data): string {
    return rtrim(strtr(base64_encode($data), '+/', '-_'), '=');
}

function host_secret(): string {
    return base64_decode(strtr(getenv('HOST_SECRET'), '-_', '+/'));
}

// A launch token, for one rendering of a page.
function launch_token(string $user, string $activity, array $more = []): string {
    $now = time();
    $header = ['alg' => 'HS256', 'typ' => 'latchkey+jwt', 'kid' => HOST . '.' . NUMBER];
    $claims = ['iss' => HOST, 'sub' => $user, 'activity' => $activity,
               'jti' => b64(random_bytes(16)), 'iat' => $now, 'exp' => $now + 900] + $more;
    $signed = b64(json_encode($header)) . '.' . b64(json_encode($claims));
    return $signed . '.' . b64(hash_hmac('sha256', $signed, host_secret(), true));
}

// A signed request: status and decoded answer.
function host_call(string $method, string $path, string $body = ''): array {
    [$time, $nonce] = [time(), bin2hex(random_bytes(16))];
    $message = implode("\n", [$method, $path, $time, $nonce, hash('sha256', $body)]);
    $signature = b64(hash_hmac('sha256', $message, host_secret(), true));
    $headers = ['Authorization: Latchkey-HMAC host=' . HOST . ", time=$time, nonce=$nonce, signature=$signature",
                'Content-Type: application/json'];
    $context = stream_context_create(['http' => [
        'method' => $method, 'header' => $headers, 'content' => $body, 'ignore_errors' => true,
    ]]);
    $answer = file_get_contents(getenv('LATCH_URL') . $path, false, $context);
    preg_match('/ (\d{3})/', $http_response_header[0], $status);
    return [(int) $status[1], json_decode($answer, true)];
}

// The id of a key, from the body of a renewal: the jti of a launch token, bytes 2 to 17 of a session token.
function key_id(string $body): string {
    $token = json_decode($body, true)['token'] ?? null;
    $bytes = fn (string $text): string => (string) base64_decode(strtr($text, '-_', '+/'));
    if (!is_string($token)) {
        return 'none';
    }
    if (str_starts_with($token, 'lk1_')) {
        return b64(substr($bytes(substr($token, 4)), 2, 16));
    }
    $jti = json_decode($bytes(explode('.', $token)[1] ?? ''), true)['jti'] ?? null;
    return is_string($jti) ? rawurlencode($jti) : 'none';
}

// php latchkey.php mint USER ACTIVITY | php latchkey.php call METHOD PATH [BODY]
if (PHP_SAPI === 'cli' && realpath($argv[0]) === __FILE__) {
    if ($argv[1] === 'mint') {
        echo launch_token($argv[2], $argv[3], ['placement' => ['max' => 10]]), "\n";
    } else {
        [$status, $answer] = host_call($argv[2], $argv[3], $argv[4] ?? '');
        echo $status, ' ', json_encode($answer), "\n";
    }
}

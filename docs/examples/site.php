<?php
// A page that embeds a key, and its renewal address: php -S 127.0.0.1:8000 site.php
require __DIR__ . '/latchkey.php';

$latch = getenv('LATCH_URL');
$user = 'u1';                                            // of the login session, in a real site
$launch = fn () => launch_token($user, 'quiz-1', [
    'user' => ['name' => 'Ada'], 'placement' => ['title' => 'Rivers', 'max' => 10],
]);

if ($_SERVER['REQUEST_METHOD'] === 'POST' && $_SERVER['REQUEST_URI'] === '/latchkey/renew/quiz-1') {
    $own = 'http://' . $_SERVER['HTTP_HOST'];            // https:// in a real site
    $same = ($_SERVER['HTTP_SEC_FETCH_SITE'] ?? null) === 'same-origin'
        || (!isset($_SERVER['HTTP_SEC_FETCH_SITE']) && ($_SERVER['HTTP_ORIGIN'] ?? null) === $own);
    if (!$same || ($_SERVER['HTTP_LATCHKEY_RENEW'] ?? null) !== '1') {
        http_response_code(403);
        exit;
    }
    // Here a real site asks: does the login hold (else 401), may the user still do this activity (else 403)?
    header('Content-Type: application/json');
    header('Cache-Control: no-store');
    echo json_encode(['status' => 'ok', 'token' => $launch()]);
    exit;
}

$nonce = b64(random_bytes(16));
$block = ['token' => $launch(), 'endpoint' => $latch, 'renew' => '/latchkey/renew/quiz-1'];
header('Cache-Control: no-store');
header('Referrer-Policy: strict-origin-when-cross-origin');
header('X-Content-Type-Options: nosniff');
header("Content-Security-Policy: default-src 'self'; script-src 'nonce-$nonce' 'self' $latch; "
    . "connect-src 'self' $latch; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'self'");
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>Rivers</title>
<h1>Rivers</h1>
<p><button id="submit" type="button" disabled>Submit</button></p>
<p id="state" role="status">Connecting</p>
<script type="application/json" data-latchkey><?= json_encode($block, JSON_HEX_TAG | JSON_HEX_AMP) ?></script>
<script type="module" nonce="<?= $nonce ?>">
  import { connect } from "<?= $latch ?>/sdk/latchkey.js";
  const [button, state] = ["submit", "state"].map((id) => document.getElementById(id));
  const activity = await connect();
  button.disabled = false;
  state.textContent = "Ready";
  button.addEventListener("click", async () => {
    const receipt = await activity.grade({ score: 8.5, comment: "Well done." });
    state.textContent = `Saved: ${receipt.score} of ${receipt.max}`;
  });
</script>
</html>

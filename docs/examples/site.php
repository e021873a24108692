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
    $old = '/host/v1/keys/' . key_id(file_get_contents('php://input'));
    [$status, $key] = host_call('GET', $old);
    if ($status === 200 && $key['result']['user'] === $user) {
        host_call('DELETE', "$old?reason=renewed");
    }
    header('Content-Type: application/json');
    header('Cache-Control: no-store');
    echo json_encode(['status' => 'ok', 'token' => $launch()]);
    exit;
}

[$status, $grade] = host_call('GET', "/host/v1/grades/quiz-1/$user");
$sofar = $status === 200 && isset($grade['result']['score']) ? "{$grade['result']['score']} of 10" : 'none yet';
$nonce = b64(random_bytes(16));
$block = ['token' => $launch(), 'endpoint' => $latch, 'renew' => '/latchkey/renew/quiz-1'];
header('Cache-Control: no-store');
header('Referrer-Policy: strict-origin-when-cross-origin');
header('X-Content-Type-Options: nosniff');
header("Content-Security-Policy: default-src 'self'; script-src 'nonce-$nonce' 'self' $latch; "
    . "style-src 'nonce-$nonce'; connect-src 'self' $latch; img-src 'self' data:; "
    . "object-src 'none'; base-uri 'none'; frame-ancestors 'self'");
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Rivers</title>
<style nonce="<?= $nonce ?>">
  body { max-width: 34rem; margin: 3rem auto; padding: 0 1rem; font: 1.1rem/1.5 system-ui, sans-serif; }
  button { font: inherit; padding: 0.5rem 1rem; margin: 0 0.5rem 0.5rem 0; }
</style>
<h1>Rivers</h1>
<p>Your grade: <strong id="grade"><?= htmlspecialchars($sofar) ?></strong></p>
<h2>Which river reaches the sea at Rotterdam?</h2>
<p><button disabled>Danube</button><button disabled>Rhine</button><button disabled>Rhône</button></p>
<p id="state" role="status">Connecting</p>
<script type="application/json" data-latchkey><?= json_encode($block, JSON_HEX_TAG | JSON_HEX_AMP) ?></script>
<script type="module" nonce="<?= $nonce ?>">
  import { connect } from "<?= $latch ?>/sdk/latchkey.js";
  const show = (id, text) => (document.getElementById(id).textContent = text);
  const activity = await connect();
  show("state", "Ready");
  for (const button of document.querySelectorAll("button")) {
    button.disabled = false;
    button.addEventListener("click", async () => {
      const right = button.textContent === "Rhine";
      show("state", "Saving");
      const { score, standing } = await activity.grade({ score: right ? 10 : 0, comment: button.textContent });
      show("state", `${right ? "Right" : "Wrong"}. Saved: ${score} of 10`);
      show("grade", `${standing.score} of ${standing.max}`);
    });
  }
</script>
</html>

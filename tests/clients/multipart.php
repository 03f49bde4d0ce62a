<?php
// multipart.php URL SECRET TOKEN FILE: a form with a file, by PHP's curl.
[, $url, $secret, $token, $file] = $argv;
$curl = curl_init($url);
curl_setopt_array($curl, [
    CURLOPT_POST => true,
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_POSTFIELDS => [
        'file' => new CURLFile($file, 'image/png', 'Bildschirm "1" ü.png'),
        'callback_secret' => $secret,
        'status' => 'OK',
        'token' => $token,
        'format' => 'png',
    ],
]);
$answer = curl_exec($curl);
echo curl_getinfo($curl, CURLINFO_RESPONSE_CODE), ' ', $answer ?: curl_error($curl);

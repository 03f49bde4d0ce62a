<?php
// raw.php URL SECRET TOKEN FILE: the file as the body, read as it is sent, by PHP's curl.
[, $url, $secret, $token, $file] = $argv;
$curl = curl_init($url);
curl_setopt_array($curl, [
    CURLOPT_UPLOAD => true,
    CURLOPT_CUSTOMREQUEST => 'POST',
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_INFILE => fopen($file, 'rb'),
    CURLOPT_HTTPHEADER => [
        "Authorization: Bearer $secret",
        "X-Id: $token",
        'Content-Type: image/png',
        'Transfer-Encoding: chunked',
    ],
]);
$answer = curl_exec($curl);
echo curl_getinfo($curl, CURLINFO_RESPONSE_CODE), ' ', $answer ?: curl_error($curl);

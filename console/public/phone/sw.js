// The page without signal: its four files are kept, the network is asked first. Nothing that is reported passes here.
"use strict";
var KEPT = "fieldgate-phone-1";
var FILES = ["/phone/", "/phone/phone.js", "/phone/phone.css", "/favicon.svg"];

self.addEventListener("install", function (event) {
  event.waitUntil(
    caches.open(KEPT).then(function (cache) {
      return cache.addAll(FILES);
    }).then(function () {
      return self.skipWaiting();
    })
  );
});

self.addEventListener("activate", function (event) {
  event.waitUntil(self.clients.claim());
});

self.addEventListener("fetch", function (event) {
  var path = new URL(event.request.url).pathname;
  if (event.request.method !== "GET" || FILES.indexOf(path) < 0) return;
  event.respondWith(
    fetch(event.request).then(function (answer) {
      if (answer.ok) {
        var copy = answer.clone();
        event.waitUntil(caches.open(KEPT).then(function (cache) { return cache.put(path, copy); }));
      }
      return answer;
    }, function () {
      return caches.match(path);
    })
  );
});

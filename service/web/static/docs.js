"use strict";
const holder = document.getElementById("swagger-ui");
SwaggerUIBundle({
  domNode: holder,
  url: holder.dataset.url,
  deepLinking: true,
  validatorUrl: null,
});

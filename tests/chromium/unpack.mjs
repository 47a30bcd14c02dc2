// Unpacks the Chromium of @sparticuz/chromium with its fonts and libraries into TMPDIR.
// The package adds the libraries (NSS and others) where it takes the machine for one of Amazon's.
process.env.AWS_LAMBDA_JS_RUNTIME = "nodejs24.x";
const { default: chromium } = await import("@sparticuz/chromium");
await chromium.executablePath();

// Fetches the page again every second and shows it when a mail has come.
// Open details stay open and the focus stays where it is until then.
const every = 1000;

async function refresh() {
	const shown = document.getElementById('mails');
	if (shown && !document.hidden) {
		const answer = await fetch('/', { headers: { Accept: 'text/html' } });
		const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
		const fresh = page.getElementById('mails');
		if (fresh && fresh.dataset.version !== shown.dataset.version) shown.replaceWith(fresh);
	}
}

async function run() {
	try {
		await refresh();
	} catch {
		// The demo was stopped; it may come back.
	}
	setTimeout(run, every);
}

setTimeout(run, every);

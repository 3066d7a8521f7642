-- The check for HAProxy, by nothing but its own HTTP client:
--
--   http-request lua.passwordless BACKEND
--
-- asks the first server of BACKEND about the request. It sets
-- txn.passwordless to "allow", "refuse" or "signin", and for a page load that
-- should sign in txn.passwordless_location, for a program that may use an access
-- token txn.passwordless_challenge. Anything else, an error in here included,
-- leaves txn.passwordless unset, and the configuration answers 503.

-- What the check may say about the user. Each is set or taken away, so that
-- none of the client's is left.
local identity = {"remote-user", "remote-sub", "remote-email", "remote-name", "remote-groups", "remote-jwt", "authorization"}

-- What the decision is made of: who is here, and what kind of client asks.
local passed = {
	"cookie", "authorization", "accept", "content-type", "origin", "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-site",
	"sec-fetch-user", "sec-purpose", "purpose", "sec-websocket-key", "x-requested-with", "user-agent",
}

local function address(backend)
	for _, server in pairs(core.backends[backend].servers) do
		return server:get_addr()
	end
end

core.register_action("passwordless", {"http-req"}, function(txn, backend)
	local sent = txn.http:req_get_headers()
	local headers = {
		["host"] = {backend},
		["x-original-url"] = {"https://" .. txn:get_var("txn.host") .. txn.sf:pathq()},
		["x-original-method"] = {txn.sf:method()},
		["x-forwarded-for"] = {txn.sf:src()},
	}
	for _, name in ipairs(passed) do
		if sent[name] then
			headers[name] = {}
			for i = 0, #sent[name] do -- HAProxy counts from 0
				table.insert(headers[name], sent[name][i])
			end
		end
	end

	local answer = core.httpclient():get{
		url = "http://" .. address(backend) .. "/api/authz/auth-request",
		headers = headers,
		timeout = 2000, -- ms; it tries three times more
	}
	if not answer then
		return
	end
	local function first(name)
		local values = answer.headers and answer.headers[name]
		return values and values[0] or ""
	end

	if answer.status == 200 then
		for _, name in ipairs(identity) do
			txn.http:req_del_header(name)
			if first(name) ~= "" then
				txn.http:req_set_header(name, first(name))
			end
		end
		txn:set_var("txn.passwordless", "allow")
	elseif answer.status == 401 then
		if first("location") ~= "" then
			txn:set_var("txn.passwordless_location", first("location"))
		end
		if first("www-authenticate") ~= "" then
			txn:set_var("txn.passwordless_challenge", first("www-authenticate"))
		end
		txn:set_var("txn.passwordless", "signin")
	elseif answer.status == 403 then
		txn:set_var("txn.passwordless", "refuse")
	end
end, 1)
